/// A place in a configuration file.
public struct SourcePosition: Hashable, Sendable, Comparable {
    /// From 1.
    public let line: Int
    /// From 1, in characters.
    public let column: Int

    /// Joins the two.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Orders by place.
    public static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// Something wrong with a configuration, with its place and how to mend it.
public struct ConfigurationProblem: Error, Hashable, Sendable {
    /// The file, as it was named.
    public let file: String
    /// Where in it.
    public let position: SourcePosition
    /// The JSON path, such as `$.listeners[1].port`.
    public let path: String
    /// What is wrong.
    public let message: String
    /// What to do about it.
    public let fix: String

    /// Joins the parts.
    public init(file: String, position: SourcePosition, path: String, message: String, fix: String) {
        self.file = file
        self.position = position
        self.path = path
        self.message = message
        self.fix = fix
    }
}

extension ConfigurationProblem: CustomStringConvertible {
    /// Two lines: place and problem, then the fix.
    public var description: String {
        "\(self.file):\(self.position.line):\(self.position.column): \(self.path): \(self.message)\n    fix: \(self.fix)"
    }
}

/// How messages show texts that stand in the configuration.
package enum Quotation {
    /// The text in double quotes: control characters escaped and cut at 100 characters, so that it stays in its line.
    package static func of(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars.prefix(100) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + (text.unicodeScalars.count > 100 ? "…\"" : "\"")
    }
}

/// How the path of a member is written.
package enum JSONPath {
    /// `$.listeners`, or `$.domains["example.org"]` where the key is no plain word.
    package static func member(_ key: String, of path: String) -> String {
        let isWord =
            key.first.map { $0.isASCII && ($0.isLetter || $0 == "_") } == true
            && key.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
        return isWord ? "\(path).\(key)" : "\(path)[\(Quotation.of(key))]"
    }
}
