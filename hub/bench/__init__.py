"""Benchmarks: ratios against a limit or a peer measured in the same run, because machines are shared and noisy."""
