"""The numbers of docs/performance.md and the README: `python -m benchmarks [name …]`. Needs `wrk` for `speed`."""
