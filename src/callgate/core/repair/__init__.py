"""Repair of broken JSON: what a text may mean, and the proof that it says so."""
