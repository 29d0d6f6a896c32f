"""Publishers: how a frame leaves. One verb, and a literal table of ways."""
