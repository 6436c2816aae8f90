package import MailHubPlugin
import MailQueue
package import NIOCore
package import SMTP

/// A session that can be asked about a recipient without a message.
package protocol ProbingSession: TransportSession {
    /// Asks about a recipient; the session may be used for another one behind it.
    func probe(_ mailbox: Mailbox) async -> RecipientProbeAnswer
}

/// Asks next hops about recipients, over a connection of its own each time, by the routes that are in force.
package struct RouteProbe: RecipientProbe {
    /// The router and the transports by route.
    package typealias Routes = @Sendable () -> (router: Router, transports: [String: any Transport])

    private let routes: Routes
    private let eventLoops: any EventLoopGroup
    private let timeLimit: Duration

    /// - Parameters:
    ///   - routes: what is in force when it is called.
    ///   - timeLimit: for a whole question, connecting included.
    package init(
        eventLoops: any EventLoopGroup,
        timeLimit: Duration = .seconds(30),
        routes: @escaping Routes
    ) {
        self.routes = routes
        self.eventLoops = eventLoops
        self.timeLimit = timeLimit
    }

    /// Asks the next hop of the named route, or of the one that mail to the recipient takes.
    package func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer {
        let (router, transports) = self.routes()
        if let route, transports[route] == nil { return .unavailable("there is no route \(route)") }
        let destination = router.destination(for: EnvelopeRecipient(mailbox, route: route))
        guard let transport = transports[destination.route] else {
            return .unavailable("there is no route \(destination.route)")
        }
        return await withTaskGroup(of: RecipientProbeAnswer?.self) { group in
            group.addTask { await self.ask(about: mailbox, at: destination, by: transport) }
            group.addTask {
                try? await Task.sleep(for: self.timeLimit)
                return nil
            }
            let first = await group.next()
            group.cancelAll()  // closes the connection
            return (first ?? nil) ?? .unavailable("no answer within \(self.timeLimit)")
        }
    }

    private func ask(
        about mailbox: Mailbox,
        at destination: Destination,
        by transport: any Transport
    ) async -> RecipientProbeAnswer {
        do throws(TransportFailure) {
            let session = try await transport.open(destination, on: EventLoopActorExecutor(self.eventLoops.any()))
            guard let probing = session as? any ProbingSession else {
                await session.close()
                return .unavailable("route \(destination.route) cannot be asked")
            }
            let answer = await probing.probe(mailbox)
            await session.close()
            return answer
        } catch {
            // Whatever a next hop says before RCPT is not about the recipient.
            return .unavailable("\(error.reply)")
        }
    }
}

extension RecipientProbeAnswer {
    /// What a reply to RCPT says about the recipient (RFC 5321 section 4.2.3, RFC 3463 sections 3.2 and 3.3).
    ///
    /// The enhanced code decides where there is one: 5.1.x but for the sender's addresses, and 5.2.1, are about the mailbox;
    /// all others are a refusal of this client or of this kind of mail. 550 with 5.4.1 is what Exchange Online says for
    /// unknown recipients. Without one, 550, 551 and 553 are about the mailbox.
    package init(to reply: Reply) {
        switch reply.code.replyClass {
        case .completion: self = .exists
        case .transientFailure, .intermediate, .invalid: self = .unavailable("\(reply)")
        case .permanentFailure:
            let isUnknown =
                switch reply.enhanced.map({ [$0.subject, $0.detail] }) {
                case [1, 7], [1, 8]: false
                case [2, 1], [4, 1]: true
                case .some(let code): code.first == 1
                case .none: reply.code == 550 || reply.code == 551 || reply.code == 553
                }
            self = isUnknown ? .doesNotExist(reply) : .unavailable("\(reply)")
        }
    }
}
