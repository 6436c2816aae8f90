// swift-tools-version: 6.2
import PackageDescription

/// For modules that see JWTKit, if only from afar: with it, which module a C struct such as `timespec` belongs to depends on the
/// order in which the compiler happens to load modules, and the rule about members asks now for this import, now for that.
let settingsBesideC: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// The settings that all others are built with: see docs/architecture.md, "How the code is kept honest".
let settings = settingsBesideC + [.enableUpcomingFeature("MemberImportVisibility")]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

/// A module of the hub: what it is allowed to import is held by Tests/ArchitectureTests.
func module(
    _ name: String,
    _ dependencies: [Target.Dependency],
    _ settings: [SwiftSetting] = settings
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The plugins: a folder in Plugins/ each.
let plugins = [
    "StaticRecipients", "LDAPRecipients", "SizeLimits", "Greylisting", "RateLimits", "DNSBlocklists", "Aliases",
    "HeaderRewrite",
    "CallAhead", "SenderDomain",
]

/// A plugin sees the plugin API and nothing else of the hub; the compiler sees to it through `packageAccess: false`.
func plugin(_ name: String, in folder: String = "Plugins") -> [Target] {
    [
        .target(
            name: name,
            dependencies: ["MailHubPlugin"],
            path: "\(folder)/\(name)/Sources",
            packageAccess: false,
            swiftSettings: settings
        ),
        .testTarget(
            name: "\(name)Tests",
            dependencies: [.init(stringLiteral: name), "MailHubPlugin", "MailHubPluginTesting", "PluginTestSupport"],
            path: "\(folder)/\(name)/Tests",
            packageAccess: false,
            swiftSettings: settings
        ),
    ]
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: [], swiftSettings: settings)
}

let package = Package(
    name: "MailHub",
    products: [
        .executable(name: "mailhub", targets: ["MailHubCommand"]),
        .library(name: "MailHub", targets: ["MailHub"]),
        .library(name: "MailHubPlugin", targets: ["MailHubPlugin"]),
        .library(name: "MailHubPluginTesting", targets: ["MailHubPluginTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    ],
    targets: [
        module("SMTP", [nioCore]),
        module("InternetMessage", ["SMTP", nioCore]),
        module("MailHubPlugin", ["SMTP", "InternetMessage", nioCore, logging, metrics]),
        module("MailQueue", ["SMTP", nioCore, nioPosix, logging, grdb, sqlite, collections]),
        module("KeyValueStorage", ["MailHubPlugin", "SMTP", logging, grdb]),
        .systemLibrary(name: "CUnbound", providers: [.apt(["libunbound-dev"])]),
        module("DNSResolver", ["CUnbound", "MailHubPlugin", "SMTP", logging]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        module("TransportSecurity", ["COpenSSL", nioCore]),
        module("DKIM", ["SMTP", "InternetMessage", "TransportSecurity", nioCore]),
        module("HTTPSClient", ["SMTP", "TransportSecurity", nioCore, nioPosix, nioHTTP1]),
        module(
            "Reception",
            [
                "SMTP", "InternetMessage", "MailHubPlugin", "MailQueue", "TransportSecurity", "SASL", nioCore, nioPosix,
                logging,
            ]
        ),
        module(
            "Delivery",
            [
                "SMTP", "InternetMessage", "MailHubPlugin", "MailQueue", "TransportSecurity", "SASL", nioCore, nioPosix,
                logging,
            ]
        ),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        module(
            "TLSReports",
            ["CZlib", "Delivery", "InternetMessage", "MailHubPlugin", "TransportSecurity", "SMTP", logging]
        ),
        .systemLibrary(name: "CLDAP", providers: [.apt(["libldap2-dev"])]),
        module("LDAPClient", ["CLDAP", "MailHubPlugin", "SMTP", nioPosix, logging, collections]),
        module(
            "MailHubPluginTesting",
            [
                "Reception", "Delivery", "SASL", "SMTP", "TransportSecurity", "InternetMessage", "MailHubPlugin",
                "MailQueue",
                nioCore, nioPosix, nioEmbedded, logging,
            ]
        ),
        module("SASL", ["TransportSecurity"]),
        module("OAuth", ["SASL", "TransportSecurity", jwt]),
        module("Administration", ["SMTP", "MailQueue", nioCore, nioPosix, logging]),
        module(
            "MailHub",
            [
                "SMTP", "InternetMessage", "MailHubPlugin", "MailQueue", "KeyValueStorage", "DNSResolver", "Reception",
                "Delivery", "LDAPClient", "Administration", "HTTPSClient", "TLSReports", "TransportSecurity", "SASL",
                "OAuth", "DKIM",
                nioCore,
                nioPosix, logging,
                serviceLifecycle, unixSignals,
            ],
            settingsBesideC
        ),
        .executableTarget(
            name: "MailHubCommand",
            dependencies: [
                "MailHub", "MailHubPlugin", "Administration", "SMTP", argumentParser, logging,
            ] + plugins.map { .init(stringLiteral: $0) },
            swiftSettings: settingsBesideC
        ),
        // The hub with plugins that have nothing to say: for Benchmarks/plugins.py.
        .executableTarget(
            name: "PluginBenchmark",
            dependencies: ["MailHub", "MailHubPlugin"],
            path: "Benchmarks/Plugins",
            packageAccess: false,
            swiftSettings: settings
        ),
        .target(name: "TestSupport", dependencies: ["CGlibc"], path: "Tests/TestSupport"),
        .target(
            name: "PluginTestSupport",
            dependencies: ["MailHubPlugin", "MailHubPluginTesting"],
            path: "Tests/PluginTestSupport",
            packageAccess: false,
            swiftSettings: settings
        ),
        .systemLibrary(name: "CGlibc", path: "Tests/CGlibc"),
        tests("SMTPTests", ["SMTP", nioCore]),
        tests("InternetMessageTests", ["InternetMessage", "SMTP", nioCore]),
        tests("MailQueueTests", ["MailQueue", "SMTP", nioCore, nioPosix, logging, grdb]),
        tests("KeyValueStorageTests", ["KeyValueStorage", "MailHubPlugin", "SMTP", "TestSupport", logging]),
        tests("MailHubPluginTestingTests", ["MailHubPluginTesting", "MailHubPlugin", "SMTP", logging]),
        tests(
            "StageTests",
            [
                "MailHubPluginTesting", "MailHubPlugin", "InternetMessage", "SMTP", logging, metrics, nioCore,
                nioEmbedded,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ]
                + plugins.map { .init(stringLiteral: $0) }
        ),
        tests("DKIMTests", ["DKIM", "TransportSecurity", "SMTP", "TestSupport"]),
        tests("IntegrationTests", ["TestSupport", "MailHubCommand"]),
        tests(
            "CrashTests",
            ["TestSupport", "MailHubCommand", "CrashProbe", "MailQueue", "SMTP", nioCore, nioPosix, logging]
        ),
        .executableTarget(
            name: "CrashProbe",
            dependencies: ["MailQueue", "SMTP", nioCore, nioPosix, logging],
            path: "Tests/CrashProbe",
            swiftSettings: settings
        ),
        tests(
            "TransportSecurityTests",
            ["TransportSecurity", "TestSupport", "CGlibc", nioCore, nioPosix, nioEmbedded]
        ),
        tests(
            "TLSReportsTests",
            ["TLSReports", "Delivery", "MailHubPlugin", "SMTP", "TransportSecurity", "TestSupport", logging]
        ),
        tests("OAuthTests", ["OAuth", "SASL", "TestSupport"]),
        tests("SASLTests", ["SASL", "TransportSecurity"]),
        tests("DNSResolverTests", ["DNSResolver", "MailHubPlugin", "SMTP", "TestSupport", logging]),
        tests(
            "LDAPClientTests",
            [
                "LDAPClient", "LDAPRecipients", "MailHubCommand", "MailHubPlugin", "PluginTestSupport", "SMTP",
                "TestSupport", nioPosix,
                logging,
            ]
        ),
        tests(
            "ReceptionTests",
            [
                "Reception", "MailHubPluginTesting", "SMTP", "InternetMessage", "MailHubPlugin", "MailQueue",
                "TransportSecurity", "TestSupport", nioCore, nioPosix, nioEmbedded, logging,
            ]
        ),
        tests(
            "DeliveryTests",
            ["Delivery", "SMTP", "InternetMessage", "MailHubPlugin", "MailQueue", nioCore, nioPosix, logging]
        ),
        tests("AdministrationTests", ["Administration", "SMTP", nioCore, nioPosix, logging]),
        tests(
            "MailHubTests",
            [
                "OAuth",
                "DKIM", "MailHub", "MailHubPlugin", "Administration", "Delivery", "KeyValueStorage", "LDAPClient",
                "MailQueue",
                "Reception", "SMTP",
                "StaticRecipients", "SizeLimits", logging,
            ]
        ),
        tests("MailHubCommandTests", ["MailHubCommand", "Administration", "SMTP", "TestSupport", argumentParser]),
        tests("ArchitectureTests", []),
    ]
        // What `mailhub plugin new PluginTemplate` writes: MailHubCommandTests compare it.
        + plugin("PluginTemplate", in: "Tests")
        + plugins.flatMap { plugin($0) }
)

/// The executable has every plugin, and each is a product, for executables that embed the hub: `+ plugin("Name")` above is all
/// that the manifest needs to know of a new one.
let pluginTargets = package.targets.filter { $0.path?.hasPrefix("Plugins/") ?? false && $0.type == .regular }
package.products += pluginTargets.map { .library(name: $0.name, targets: [$0.name]) }
for command in package.targets where command.name == "MailHubCommand" {
    let named = command.dependencies.compactMap { dependency -> String? in
        if case .byNameItem(let name, _) = dependency { name } else { nil }
    }
    for plugin in pluginTargets where !named.contains(plugin.name) {
        command.dependencies.append(.init(stringLiteral: plugin.name))
    }
}
