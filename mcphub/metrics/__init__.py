"""Metrics for Prometheus, right across processes, at no cost on the way of a call.

Each process counts from what it does in batches anyway, and what it cannot count it looks up when it is asked. Every
two seconds it leaves its sample in Redis, and whichever process is scraped shows all of them, each under its own
`process` label: sums over processes are Prometheus's trade, and no counter goes back when a process ends
(docs/decisions/0041). Without Redis there is one process and one sample.

    meter       what is counted in this process: calls by batches, jobs
    families    the names, kinds and labels of all metrics
    sampling    one process's sample, from the meter and the running hub
    sharing     samples between processes
    door        GET /metrics

Above: `observation`, `urls`. Below: the running hub, `activities`.
"""
