import Clearing

extension RouteSort {
    /// The order that `provider.sort` names, as OpenRouter spells it.
    init?(name: String) {
        switch name {
        case "price": self = .price
        case "latency": self = .latency
        case "throughput": self = .throughput
        default: return nil
        }
    }
}

extension CompletionPlan {
    /// Which of all pipelines is asked for: the cheapest if nothing is said.
    var sort: RouteSort? { RouteSort(name: body.provider?.sort ?? "price") }

    /// Why a preference cannot be followed.
    var preferenceRefusal: APIError? {
        if sort != nil { return privacyRefusal }
        return .invalid(
            "provider.sort", "'provider.sort' is 'price', 'latency' or 'throughput'")
    }
}
