import NIOCore

/// All the ways in which the tests cut an input: whole, octet by octet, and in two at every place.
enum Cuts {
    static func of(_ octets: [UInt8]) -> [[[UInt8]]] {
        let halves = octets.indices.dropFirst().map { [Array(octets[..<$0]), Array(octets[$0...])] }
        return [[octets], octets.map { [$0] }] + halves
    }

    /// Every sequence of the given octets, from the empty one up to a length.
    static func sequences(of alphabet: [UInt8], upTo length: Int) -> [[UInt8]] {
        var all: [[UInt8]] = [[]]
        var last = all
        for _ in 0..<length {
            last = last.flatMap { sequence in alphabet.map { sequence + [$0] } }
            all += last
        }
        return all
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
