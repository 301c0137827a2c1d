import HTTPTypes
public import Hummingbird
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
        OpenAIRoutes.all + AccountRoutes.all + MarketRoutes.all + SettlementRoutes.all
            + NodeRoutes.all + OperatorRoutes.all + operatingRoutes
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
    public func router() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ErrorShape(counters: counters))
        for route in routes {
            router.on(RouterPath(route.path), method: route.method) {
                [house, guards] request, context in
                let body: ByteBuffer
                do {
                    body = try await request.body.collect(upTo: route.bodyLimit)
                } catch {
                    throw APIError(
                        .contentTooLarge, code: "body_too_large",
                        "the body has more than \(route.bodyLimit) bytes, or did not arrive whole")
                }
                let call = Call(
                    house: house, head: request.head, path: request.uri.path,
                    query: Dictionary(
                        request.uri.queryParameters.map { ($0.key, $0.value) },
                        uniquingKeysWith: { first, _ in first }),
                    parameters: context.parameters, body: body, guards: guards)
                return try await route.handle(call)
            }
        }
        return router
    }

    /// A server on a port, 0 for any free one; `onReady` is told which.
    public func application(
        host: String, port: Int, onReady: @escaping @Sendable (Int) async -> Void
    ) -> some ApplicationProtocol {
        Application(
            router: router(),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "exchequer", backlog: 1_024),
            onServerRunning: { channel in
                await onReady(channel.localAddress?.port ?? port)
            }, logger: log)
    }
}

/// Turns every error into the one shape, and counts answers.
private struct ErrorShape: RouterMiddleware {
    typealias Context = BasicRequestContext
    let counters: RequestCounters

    func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
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
