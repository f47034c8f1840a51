"""The fault matrix: whatever a CRM does wrong at whatever moment, one need ends as one order, with a reason."""
