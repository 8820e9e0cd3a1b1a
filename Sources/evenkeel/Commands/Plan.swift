import ArgumentParser
struct Plan: AsyncParsableCommand {}
