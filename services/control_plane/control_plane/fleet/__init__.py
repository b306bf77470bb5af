"""Sites, recorders, cameras and schedules: what the API, the console and the commands do with them."""
