extension OperatorRequest {
    /// A duration such as `1h` that was given as an option.
    ///
    /// - Parameter fallback: what holds where the option was not given; `nil`: it must be.
    /// - Throws: `OperatorMistake`.
    public func duration(_ option: String, default fallback: Duration? = nil) throws -> Duration {
        guard let text = self.options[option] else {
            guard let fallback else { throw OperatorMistake("say --\(option) DURATION, such as --\(option) 1h") }
            return fallback
        }
        guard let duration = ConfigurationUnits.duration(text) else {
            throw OperatorMistake("\"\(text)\" is not \(ConfigurationUnits.durationForm)")
        }
        guard duration <= ConfigurationUnits.longestDuration else {
            throw OperatorMistake("\"\(text)\" is longer than ten years")
        }
        return duration
    }

    /// A whole number that was given as an option, or the default.
    ///
    /// - Throws: `OperatorMistake`.
    public func integer(_ option: String, in range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let text = self.options[option] else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw OperatorMistake("--\(option) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// The verb's one argument.
    ///
    /// - Throws: `OperatorMistake` where there is none, or more.
    public func argument(_ name: String) throws -> String {
        guard self.arguments.count == 1, let argument = self.arguments.first else {
            throw OperatorMistake("\"\(self.verb)\" takes one \(name)")
        }
        return argument
    }
}
