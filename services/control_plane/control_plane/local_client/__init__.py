"""The recorders' wire, `/v0/api/local-client`."""
