import Delivery
import Foundation
import InternetMessage
package import SMTP

/// The report on one domain and one day (RFC 8460 section 4).
package struct Report: Hashable, Sendable {
    /// Who reports.
    package struct Reporter: Hashable, Sendable {
        package var organization: String
        package var contact: Mailbox
        /// Our own name.
        package var hostname: String

        package init(organization: String, contact: Mailbox, hostname: String) {
            self.organization = organization
            self.contact = contact
            self.hostname = hostname
        }

        /// `TLS-Report-Submitter`: the domain of the contact (section 5.3).
        var domain: String { self.contact.domain?.canonical ?? self.hostname }
    }
    package let domain: String
    let day: Day
    let record: DayRecord
    let reporter: Reporter

    var identifier: String { "\(self.day).\(self.domain)@\(self.reporter.hostname)" }

    /// Section 5.1.
    var filename: String {
        "\(self.reporter.domain)!\(self.domain)!\(self.day.start)!\(self.day.start + 86_399).json.gz"
    }

    /// Section 4.4.
    package var json: [UInt8] {
        let policies = self.record.sections.map { section -> [String: Any] in
            var policy: [String: Any] = ["policy-type": section.policy.type, "policy-domain": self.domain]
            if !section.policy.strings.isEmpty { policy["policy-string"] = section.policy.strings }
            if !section.policy.hosts.isEmpty { policy["mx-host"] = section.policy.hosts }
            var entry: [String: Any] = [
                "policy": policy,
                "summary": [
                    "total-successful-session-count": section.successes,
                    "total-failure-session-count": section.failures,
                ],
            ]
            if !section.details.isEmpty {
                entry["failure-details"] = section.details.map { detail -> [String: Any] in
                    var fields: [String: Any] = [
                        "result-type": detail.failure.rawValue, "receiving-mx-hostname": detail.host,
                        "receiving-ip": detail.address, "failed-session-count": detail.count,
                    ]
                    if let sender = detail.sender { fields["sending-mta-ip"] = sender }
                    if !detail.reason.isEmpty { fields["failure-reason-code"] = detail.reason }
                    return fields
                }
            }
            return entry
        }
        let object: [String: Any] = [
            "organization-name": self.reporter.organization,
            "date-range": [
                "start-datetime": "\(self.day)T00:00:00Z", "end-datetime": "\(self.day)T23:59:59Z",
            ],
            "contact-info": "\(self.reporter.contact)", "report-id": self.identifier, "policies": policies,
        ]
        let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        return data.map { [UInt8]($0) } ?? []
    }

    /// The message that brings it (section 5.3), and takes no notice of TLS on its way.
    func message(to recipient: Mailbox, at now: Timestamp, _ attachment: [UInt8]) -> [UInt8] {
        let boundary = "=_tlsrpt_\(self.day)_\(self.domain.utf8.count)_\(attachment.count)"
        let lines = [
            "From: \(self.reporter.contact)", "To: \(recipient)", "Date: \(DateTime(now))",
            "Subject: Report Domain: \(self.domain)", "    Submitter: \(self.reporter.domain)",
            "    Report-ID: <\(self.identifier)>", "Message-ID: <tlsrpt.\(self.identifier)>",
            "TLS-Report-Domain: \(self.domain)", "TLS-Report-Submitter: \(self.reporter.domain)", "TLS-Required: No",
            "Auto-Submitted: auto-generated", "MIME-Version: 1.0",
            "Content-Type: multipart/report; report-type=\"tlsrpt\";", "    boundary=\"\(boundary)\"", "",
            "--\(boundary)", "Content-Type: text/plain; charset=\"us-ascii\"", "",
            "This is an aggregate TLS report from \(self.reporter.domain)", "for \(self.domain), \(self.day).", "",
            "--\(boundary)", "Content-Type: application/tlsrpt+gzip", "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment;", "    filename=\"\(self.filename)\"", "",
        ]
        let encoded = Data(attachment).base64EncodedString(options: [
            .lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed,
        ])
        let text = lines.joined(separator: "\r\n") + "\r\n" + encoded + "\r\n--\(boundary)--\r\n"
        return Array(text.utf8)
    }
}

/// A day in UTC.
package struct Day: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Days since 1970-01-01.
    let number: Int64

    package init(_ instant: Timestamp) { self.number = instant.seconds / 86_400 }

    /// Reads `2026-11-26`.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).compactMap { Int64($0) }
        guard parts.count == 3, (1970...9999).contains(parts[0]), (1...12).contains(parts[1]),
            (1...31).contains(parts[2])
        else { return nil }
        // Days from civil date; March is the first month, so that the leap day is the last one.
        let year = parts[1] <= 2 ? parts[0] - 1 : parts[0]
        let month = (parts[1] + 9) % 12
        let century = year / 400
        let yearOfEra = year - century * 400
        let dayOfYear = (153 * month + 2) / 5 + parts[2] - 1
        self.number = century * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Seconds since 1970 at its beginning.
    package var start: Int64 { self.number * 86_400 }

    package static func < (left: Day, right: Day) -> Bool { left.number < right.number }

    package var description: String {
        let parts = Date(timeIntervalSince1970: Double(self.start)).formatted(.iso8601.year().month().day())
        return parts
    }
}
