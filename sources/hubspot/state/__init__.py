"""What is kept between runs, in dlt's state."""
