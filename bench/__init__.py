"""What Callgate costs: CPU, latency, memory and start, beside a direct call and nginx."""
