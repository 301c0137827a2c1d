import HTTPTypes
public import Hummingbird
import Inference
public import Logging
public import Service

/// The house's HTTP server: OpenAI's API, the market, nodes, accounts, operating
/// (docs/reference/http-api.md).
public struct Gateway: Sendable {
    private let house: House
    private let log: Logger
    private let guards = Guards()
    private let counters = RequestCounters()

    /// A gateway to a house.
    public init(house: House, log: Logger) {
        self.house = house
        self.log = log
    }

    /// Every endpoint.
    var routes: [Route] {
        OpenAIRoutes.all + AccountRoutes.all + PayoutRoutes.all + DepositRoutes.all
            + MarketRoutes.all
            + SettlementRoutes.all + CostRoutes.all + ClaimableRoutes.all + ChannelRoutes.all
            + LiabilityRoutes.all
            + NodeRoutes.all(longestContext: longestContext)
            + OperatorRoutes.all + ReconciliationRoutes.all + operatingRoutes
    }

    private var longestContext: Int {
        house.models.all.map(\.manifest.context).max() ?? 0
    }

    private var operatingRoutes: [Route] {
        [
            Route(.get, "/healthz", .anyone, "operating", "Whether the house works") { call in
                try Health.response(call.house)
            },
            Route(
                .get, "/metrics", .anyone, "operating", "Figures in Prometheus' text format"
            ) { [counters] call in
                try await Metrics.response(call, counters)
            },
            Route(.get, "/openapi.json", .anyone, "operating", "This API as an OpenAPI document") {
                _ in
                JSON.response(.ok, OpenAPI.document(of: self.routes))
            },
        ]
    }

    /// The router, for a server or for tests without one.
    public func router() -> Router<GatewayContext> {
        let router = Router(context: GatewayContext.self)
        router.add(middleware: ErrorShape(counters: counters))
        for route in routes {
            router.on(RouterPath(route.path), method: route.method) {
                [house, guards] request, context in
                let call = Call(
                    house: house, head: request.head, path: request.uri.path,
                    query: Dictionary(
                        request.uri.queryParameters.map { ($0.key, $0.value) },
                        uniquingKeysWith: { first, _ in first }),
                    parameters: context.parameters, source: context.source, body: ByteBuffer(),
                    guards: guards)
                return try await Self.answer(route, call, request)
            }
        }
        return router
    }

    /// Bodies above this size are only read for those who have business here.
    private static let smallBody = 256 << 10

    private static func answer(
        _ route: Route, _ call: Call, _ request: Request
    ) async throws -> Response {
        if route.bodyLimit > smallBody { try await call.checkSender(route.access) }
        guard route.isLong else {
            return try await route.handle(call.reading(request.body, upTo: route.bodyLimit))
        }
        // A client that goes away cancels what is done for it.
        var response = try await request.body.consumeWithCancellationOnInboundClose { body in
            do {
                return try await route.handle(call.reading(body, upTo: route.bodyLimit))
            } catch let error as APIError {
                return error.response
            }
        }
        // Watching the connection uses it up: the client must not send another request on it.
        response.headers[.connection] = "close"
        return response
    }

    /// A server on a port, 0 for any free one; `onReady` is told which.
    public func application(
        host: String, port: Int, onReady: @escaping @Sendable (Int) async -> Void
    ) -> some ApplicationProtocol {
        Application(
            router: router(), server: .http1(configuration: .init(idleTimeout: .seconds(120))),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "exchequer", backlog: 1_024),
            onServerRunning: { channel in
                await onReady(channel.localAddress?.port ?? port)
            }, logger: log)
    }
}

/// What the gateway knows of a request's connection.
public struct GatewayContext: RequestContext {
    /// What Hummingbird keeps.
    public var coreContext: CoreRequestContextStorage
    /// The client's network address, without the port.
    let source: String

    /// The context of a request on a connection.
    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        self.source = source.channel.remoteAddress?.ipAddress ?? ""
    }
}

/// Turns every error into the one shape, and counts answers.
private struct ErrorShape: RouterMiddleware {
    typealias Context = GatewayContext
    let counters: RequestCounters

    func handle(
        _ request: Request, context: GatewayContext,
        next: @concurrent (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as APIError {
            response = try error.response(from: request, context: context)
        } catch let error as HTTPError {
            let shaped = APIError(
                error.status, code: error.status == .notFound ? "not_found" : "bad_request",
                error.status == .notFound
                    ? "there is no \(request.method.rawValue) \(request.uri.path)"
                    : error.body ?? error.status.reasonPhrase)
            response = try shaped.response(from: request, context: context)
        } catch {
            let shaped = APIError(
                .internalServerError, code: "internal", "the house failed to answer")
            response = try shaped.response(from: request, context: context)
        }
        counters.count(status: response.status.code)
        return response
    }
}
