/// A new value, with `${name}` for what is known when a rule is carried out; `$$` is a dollar sign.
struct ValueTemplate: Hashable, Sendable {
    /// What may stand in `${...}`.
    enum Variable: String, CaseIterable, Sendable {
        /// The field's present value.
        case value
        /// The client's address.
        case client
        /// The argument of HELO or EHLO.
        case helo
        /// The listener's name.
        case listener
        /// The reverse-path.
        case sender
        /// The message's id in the queue.
        case queue
    }

    private enum Part: Hashable, Sendable {
        case text(String)
        case variable(Variable)
        /// What a star of the rule's `where` stands for, from 1.
        case star(Int)
    }

    /// Why a text is no template.
    enum Fault: Error, Hashable {
        case unknown(String)
        case unfinished
    }

    /// The longest value that is made; a field keeps its value where it would be longer.
    static let longestValue = 16 * 1024

    private let parts: [Part]

    init(_ text: String) throws(Fault) {
        var parts: [Part] = []
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            parts.append(.text(String(rest[..<dollar])))
            rest = rest[rest.index(after: dollar)...]
            if rest.hasPrefix("$") {
                parts.append(.text("$"))
                rest = rest.dropFirst()
            } else if rest.hasPrefix("{"), let end = rest.firstIndex(of: "}") {
                let name = String(rest[rest.index(after: rest.startIndex)..<end])
                if let number = Int(name), (1...9).contains(number) {
                    parts.append(.star(number))
                } else if let variable = Variable(rawValue: name) {
                    parts.append(.variable(variable))
                } else {
                    throw .unknown(name)
                }
                rest = rest[rest.index(after: end)...]
            } else {
                throw .unfinished
            }
        }
        self.parts = parts + [.text(String(rest))]
    }

    /// The highest number of a star.
    var mostStars: Int { self.parts.reduce(0) { if case .star(let number) = $1 { max($0, number) } else { $0 } } }

    /// Whether the field's present value is part of it.
    var needsValue: Bool { self.parts.contains(.variable(.value)) }

    /// The value; `nil` where it would be too long.
    func text(_ known: [Variable: String], stars: [String]) -> String? {
        var result = ""
        for part in self.parts {
            switch part {
            case .text(let text): result += text
            case .variable(let variable): result += known[variable] ?? ""
            case .star(let number): result += stars.indices.contains(number - 1) ? stars[number - 1] : ""
            }
            guard result.utf8.count <= Self.longestValue else { return nil }
        }
        return result
    }
}
