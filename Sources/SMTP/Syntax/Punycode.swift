/// The A-label form of one U-label (RFC 5891 section 4.4, RFC 3492).
///
/// Mapping is limited to lower-casing; code points that IDNA2008 disallows for their class (controls, format characters,
/// white space, symbols, unassigned, private use, surrogates, most punctuation) are refused (RFC 5891 section 5.4).
enum Punycode {
    private static let base = 36, minimumThreshold = 1, maximumThreshold = 26
    private static let skew = 38, damping = 700, initialBias = 72, initialCodePoint = 128

    static func aLabel(of label: some StringProtocol) -> String? {
        let scalars = Array(label.lowercased().unicodeScalars)
        guard scalars.count <= 63, let first = scalars.first, let last = scalars.last else { return nil }
        guard first != "-", last != "-", !self.isMark(first) else { return nil }
        guard scalars.allSatisfy(self.isPermitted) else { return nil }
        if scalars.count >= 4, scalars[2] == "-", scalars[3] == "-" { return nil }  // RFC 5891 section 4.2.3.1
        guard let encoded = self.encode(scalars) else { return nil }
        let result = "xn--" + encoded
        return result.utf8.count <= 63 ? result : nil
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    private static func isPermitted(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar == "-" || ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) }
        if scalar == "\u{00B7}" || scalar == "\u{30FB}" { return true }  // CONTEXTO code points in common use
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark, .decimalNumber: return true
        default: return false
        }
    }

    private static func encode(_ scalars: [Unicode.Scalar]) -> String? {
        var output: [UInt8] = scalars.filter(\.isASCII).map { UInt8($0.value & 0x7F) }
        let basicCount = output.count
        if basicCount > 0 { output.append(UInt8(ascii: "-")) }
        var codePoint = Self.initialCodePoint, delta = 0, bias = Self.initialBias, handled = basicCount
        while handled < scalars.count {
            guard let next = scalars.lazy.map({ Int($0.value) }).filter({ $0 >= codePoint }).min() else { return nil }
            let (product, overflow) = (next - codePoint).multipliedReportingOverflow(by: handled + 1)
            guard !overflow, delta <= Int(Int32.max) - product else { return nil }
            delta += product
            codePoint = next
            for scalar in scalars {
                let value = Int(scalar.value)
                if value < codePoint { delta += 1 }
                guard value == codePoint else { continue }
                self.append(delta, bias: bias, to: &output)
                bias = self.adapt(delta, points: handled + 1, first: handled == basicCount)
                delta = 0
                handled += 1
            }
            delta += 1
            codePoint += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func append(_ delta: Int, bias: Int, to output: inout [UInt8]) {
        var rest = delta, position = Self.base
        while true {
            let threshold = min(max(position - bias, Self.minimumThreshold), Self.maximumThreshold)
            guard rest >= threshold else { break }
            output.append(self.digit(threshold + (rest - threshold) % (Self.base - threshold)))
            rest = (rest - threshold) / (Self.base - threshold)
            position += Self.base
        }
        output.append(self.digit(rest))
    }

    private static func digit(_ value: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: value < 26 ? value + 0x61 : value - 26 + 0x30)
    }

    private static func adapt(_ delta: Int, points: Int, first: Bool) -> Int {
        var delta = first ? delta / Self.damping : delta / 2
        delta += delta / points
        var steps = 0
        while delta > ((Self.base - Self.minimumThreshold) * Self.maximumThreshold) / 2 {
            delta /= Self.base - Self.minimumThreshold
            steps += Self.base
        }
        return steps + (Self.base - Self.minimumThreshold + 1) * delta / (delta + Self.skew)
    }
}
