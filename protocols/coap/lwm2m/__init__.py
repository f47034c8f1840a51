"""A subset of LwM2M 1.1: values of objects in the content formats of devices, and what is known of the objects."""
