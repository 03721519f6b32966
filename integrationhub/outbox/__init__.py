"""Messages for the broker, written in the transaction of what they speak of; the relay alone publishes them."""
