"""The whole ways through: survey, plan, apply, verify, check, init. No arguments are parsed and nothing printed here."""
