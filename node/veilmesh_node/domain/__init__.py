"""The node's decisions as pure functions: values in, values out; no clock, no disk, no socket."""
