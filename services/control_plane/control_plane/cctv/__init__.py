"""The operators' REST API, for curl and scripts: `/v0/api/cctv/`."""
