"""What operators see: the format of logs, and later metrics."""
