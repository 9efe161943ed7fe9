"""The whole ways through: survey, plan, apply, verify, check, init. Nothing is parsed or printed here."""
