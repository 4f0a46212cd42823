"""`python -m reference.vectors`: write the known-answer vectors beside this file."""

from reference.vectors import write

if __name__ == "__main__":
    for path in write():
        print(path)
