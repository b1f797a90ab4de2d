"""Who does what, period by period, with a deal and without: what is asked, and the answer."""
