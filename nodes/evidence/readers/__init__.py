"""Readers find what a response says: amounts, shares, retailers, claims, dates, steps. They grade nothing."""
