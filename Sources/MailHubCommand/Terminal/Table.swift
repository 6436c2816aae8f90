/// Rows in aligned columns that fit the terminal.
///
/// Rows are measured in blocks: the first block decides on the widths, so that a table of any length can be printed while
/// it is still arriving.
struct Table {
    /// One column.
    struct Column {
        let title: String
        let alignsRight: Bool

        static func left(_ title: String) -> Column { Column(title: title, alignsRight: false) }
        static func right(_ title: String) -> Column { Column(title: title, alignsRight: true) }
    }

    /// How many rows are measured.
    static let block = 200

    private let columns: [Column]
    private var hasHeader: Bool
    private var rows: [[String]] = []
    private var widths: [Int] = []

    /// - Parameter hasHeader: whether the titles are the first line.
    init(columns: [Column], hasHeader: Bool = true) {
        self.columns = columns
        self.hasHeader = hasHeader
    }

    /// Adds a row: one text for each column, control characters replaced.
    mutating func add(_ row: [String]) { self.rows.append(row.map(Terminal.harmless)) }

    /// Whether it is time to print what there is.
    var isFull: Bool { self.rows.count >= Self.block }

    /// All lines of a table that is complete.
    func lines(for terminal: Terminal) -> [String] {
        var copy = self
        return copy.takeLines(for: terminal)
    }

    /// The lines of the rows since the last time.
    mutating func takeLines(for terminal: Terminal) -> [String] {
        if self.widths.isEmpty { self.widths = self.measured(for: terminal) }
        let header = self.hasHeader && !self.rows.isEmpty ? [self.columns.map(\.title)] : []
        let lines = (header + self.rows).map { self.line($0, terminal: terminal) }
        if !self.rows.isEmpty { self.hasHeader = false }
        self.rows.removeAll(keepingCapacity: true)
        return lines
    }

    /// The widest text of each column; where the terminal is too narrow for all, the widest columns give way.
    private func measured(for terminal: Terminal) -> [Int] {
        var widths = self.columns.map { self.hasHeader ? $0.title.count : 0 }
        for row in self.rows {
            for (index, text) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], text.count)
            }
        }
        guard let width = terminal.width else { return widths }
        let room = max(width - 2 * (widths.count - 1), 8 * widths.count)
        while widths.reduce(0, +) > room {
            // The widest one shrinks to the second widest, or as far as needed.
            guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return widths
    }

    private func line(_ row: [String], terminal: Terminal) -> String {
        var line = ""
        for (index, (text, column)) in zip(row, self.columns).enumerated() {
            let width = self.widths.indices.contains(index) ? self.widths[index] : 0
            let isLast = index == self.columns.count - 1
            let shown = terminal.width == nil ? text : Self.cut(text, to: width)
            let padding = String(repeating: " ", count: max(0, width - shown.count))
            line += column.alignsRight ? padding + shown : (isLast ? shown : shown + padding)
            if !isLast { line += "  " }
        }
        return line
    }

    private static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : String(text.prefix(max(0, width - 1))) + "…"
    }
}
