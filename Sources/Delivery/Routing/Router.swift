package import MailQueue
package import SMTP

/// Which way a recipient goes (RFC 5321 section 3.6): by the route that a plugin chose, by that of its domain, or by the
/// default one.
package struct Router: Sendable {
    private let routeOfDomain: [Domain: String]
    private let defaultRoute: String
    /// Each route, and whether it looks hosts up by recipient domain.
    private let usesMX: [String: Bool]

    package init(routeOfDomain: [Domain: String], defaultRoute: String, usesMX: [String: Bool]) {
        self.routeOfDomain = routeOfDomain
        self.defaultRoute = defaultRoute
        self.usesMX = usesMX
    }

    /// The destination of a recipient.
    ///
    /// Where a chosen route does not exist, mail waits for it: any other would lead to a place that nobody chose.
    package func destination(for recipient: EnvelopeRecipient) -> Destination {
        let route = recipient.route ?? recipient.mailbox.domain.flatMap { self.routeOfDomain[$0] } ?? self.defaultRoute
        guard self.usesMX[route] == true else { return Destination(route: route, domain: "") }
        return switch recipient.mailbox.host {
        case .domain(let domain): Destination(route: route, domain: domain.canonical)
        case .literal(let literal): Destination(route: route, domain: literal.description)
        }
    }
}
