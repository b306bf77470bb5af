"""The operators' console at `/admin/`, built on SQLAdmin."""
