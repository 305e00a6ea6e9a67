"""Events: what receivers are given, how one is written as bytes and read again."""
