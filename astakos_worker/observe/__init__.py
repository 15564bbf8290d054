"""What operators see: the format of logs, metrics, and whether workers consume."""
