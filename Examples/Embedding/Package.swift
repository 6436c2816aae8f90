// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "Embedding",
    dependencies: [.package(name: "MailHub", path: "../..")],
    targets: [
        .executableTarget(
            name: "Embedding",
            dependencies: [
                .product(name: "MailHub", package: "MailHub"), .product(name: "MailHubPlugin", package: "MailHub"),
            ]
        )
    ]
)
