"""What is built and shipped: archives, a wheel in an empty environment, the papers beside the code."""
