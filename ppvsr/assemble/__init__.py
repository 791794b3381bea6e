"""The one place where everything meets: names become networks, networks become films."""
