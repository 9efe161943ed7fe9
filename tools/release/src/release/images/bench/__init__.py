"""Measures an image beside another one, and each tuning of it beside the same image without that tuning."""
