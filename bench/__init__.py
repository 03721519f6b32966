"""`./hub bench`: the hub beside the same work done plainly, and beside a bare view: docs/benchmarks.md"""
