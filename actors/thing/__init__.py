"""A thing: follows its readings, forecasts its slots, notices needs."""
