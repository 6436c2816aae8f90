import Delivery
import HTTPSClient
import Logging
import MailHubPlugin
import NIOCore
import SMTP
import ServiceLifecycle

/// Asks policy hosts over HTTPS (RFC 8461 section 3.3).
struct STSPolicyHosts: STSPolicySource {
    private let client: HTTPSClient
    private let resolver: any NameResolver
    private let port: Int

    /// Octets of a policy at most (RFC 8461 section 3.3 lets senders bound it): it has to fit a value of the store.
    private static let largestPolicy = 60_000
    /// The space of the policies among the plugins' stores; no plugin can have this name.
    static let storeName = "/mta-sts"

    init(_ settings: MTASTSConfiguration, resolver: any NameResolver, eventLoops: any EventLoopGroup) {
        self.client = HTTPSClient(
            tls: settings.client,
            eventLoops: eventLoops,
            timeLimit: settings.timeLimit,
            largestBody: Self.largestPolicy
        )
        self.resolver = resolver
        self.port = settings.port
    }

    func fetch(_ domain: String) async -> STSFetch {
        var request = HTTPSRequest(host: "mta-sts.\(domain)", path: "/.well-known/mta-sts.txt")
        request.port = self.port
        guard case .found(let addresses) = await self.resolver.addresses(of: request.host) else {
            return .unreachable("\(request.host) has no address")
        }
        do {
            let response = try await self.client.send(request, to: addresses)
            guard response.status == 200 else { return .unreachable("\(request.host) answers \(response.status)") }
            guard response.mediaType == "text/plain" else {
                return .invalid("\(request.host) sends \"\(response.mediaType)\", not text/plain")
            }
            return .policy(try STSPolicy(response.body))
        } catch let malformed as STSPolicy.Malformed {
            return .invalid("\(malformed)")
        } catch HTTPSFailure.insecure(let why) {
            return .insecure(why)
        } catch {
            return .unreachable("\(error)")
        }
    }
}

/// Fetches policies anew in the background.
struct STSRefreshService: Service {
    let policies: STSPolicies

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.policies.refresh()
                try? await Task.sleep(for: .seconds(3600))
            }
        }
    }
}
