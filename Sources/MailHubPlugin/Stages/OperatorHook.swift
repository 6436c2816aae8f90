/// What the operator asks of a plugin through `mailhub plugin run NAME VERB`.
public struct OperatorRequest: Hashable, Sendable, Codable {
    /// What to do, such as `list`.
    public let verb: String
    /// The words behind it.
    public let arguments: [String]
    /// Options by name, such as `for` with `1h`.
    public let options: [String: String]

    /// Makes a request.
    public init(verb: String, arguments: [String] = [], options: [String: String] = [:]) {
        self.verb = verb
        self.arguments = arguments
        self.options = options
    }
}

/// A plugin's answer to the operator: a table, or some lines.
public struct OperatorAnswer: Hashable, Sendable, Codable {
    /// The table's columns; empty where there are only lines.
    public var columns: [String]
    /// The table's rows, each with a text for every column.
    public var rows: [[String]]
    /// Lines of text.
    public var lines: [String]

    /// Makes an answer of lines.
    public init(lines: [String]) {
        self.columns = []
        self.rows = []
        self.lines = lines
    }

    /// Makes an answer that is a table.
    public init(columns: [String], rows: [[String]], lines: [String] = []) {
        self.columns = columns
        self.rows = rows
        self.lines = lines
    }
}

/// The operator's mistake: the text says how to say it.
public struct OperatorMistake: Error, CustomStringConvertible {
    /// For the operator.
    public let description: String

    /// Makes the error.
    public init(_ description: String) { self.description = description }
}

/// A plugin that the operator can ask and tell things.
public protocol OperatorHook: HubPlugin {
    /// The verbs, each with its arguments and what it does: `("pass DOMAIN --for DURATION", "lets mail of a domain through")`.
    ///
    /// Options that a verb does not name are refused before the plugin is asked.
    var operatorVerbs: [(usage: String, does: String)] { get }

    /// Does what the operator asks.
    ///
    /// - Throws: `OperatorMistake` for a request that makes no sense; other errors are shown as they are.
    func operate(_ request: OperatorRequest) async throws -> OperatorAnswer
}

extension OperatorRequest {
    /// Refuses options that the verb does not name: a slip of the finger would go unnoticed.
    ///
    /// - Throws: `OperatorMistake`, which says what the verb takes. Of an unknown verb, the plugin itself says so.
    package func checkOptions(_ verbs: [(usage: String, does: String)]) throws(OperatorMistake) {
        let usages = verbs.map(\.usage).filter { $0.split(separator: " ").first == self.verb[...] }
        guard !usages.isEmpty else { return }
        let words = usages.flatMap { $0.split { " []|".contains($0) } }
        for option in self.options.keys.sorted() where !words.contains("--\(option)") {
            let takes = usages.map { "\"\($0)\"" }.joined(separator: " or ")
            throw OperatorMistake("\"\(self.verb)\" has no option --\(option): it is \(takes)")
        }
    }
}
