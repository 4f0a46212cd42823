def available() -> str:
    return "not here yet"
