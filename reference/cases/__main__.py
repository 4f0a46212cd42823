"""`python -m reference.cases`: write the known-answer vectors into reference/vectors."""

from reference.cases import write

if __name__ == "__main__":
    for path in write():
        print(path)
