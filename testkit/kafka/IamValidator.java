package k2m.testkit;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Stands in for MSK's IAM access control on a broker: takes a token that is a well-formed, unexpired presigned URL for the region in
 * the broker's setting {@code k2m.iam.region}. It knows no secrets, so it does not check the signature itself. A refused client
 * reads what MSK says; the reason goes to the broker's log.
 */
public final class IamValidator implements AuthenticateCallbackHandler {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    private String region;

    @Override
    public void configure(Map<String, ?> settings, String mechanism, List<AppConfigurationEntry> entries) {
        region = String.valueOf(settings.get("k2m.iam.region"));
    }

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (!(callback instanceof OAuthBearerValidatorCallback)) {
                throw new UnsupportedCallbackException(callback);
            }
            OAuthBearerValidatorCallback asked = (OAuthBearerValidatorCallback) callback;
            try {
                asked.token(check(asked.tokenValue()));
            } catch (RuntimeException refusal) {
                System.err.println("IAM token refused: " + refusal.getMessage());
                asked.error("[00000000-0000-0000-0000-000000000000]: Access denied", null, null);
            }
        }
    }

    @Override
    public void close() {}

    private Token check(String value) {
        need(!value.contains("="), "padding", value);
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        need("https".equals(url.getScheme()), "scheme", url.getScheme());
        need(url.getHost().equals("kafka." + region + ".amazonaws.com"), "host", url.getHost());
        need("/".equals(url.getPath()), "path", url.getPath());

        Map<String, String> parameters = new HashMap<>();
        for (String pair : url.getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            need(parts.length == 2, "parameter", pair);
            String before = parameters.put(parts[0], URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
            need(before == null, "repeated parameter", parts[0]);
        }
        expect(parameters, "Action", "kafka-cluster:Connect");
        expect(parameters, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        expect(parameters, "X-Amz-Expires", "900");
        expect(parameters, "X-Amz-SignedHeaders", "host");
        String signature = parameters.getOrDefault("X-Amz-Signature", "");
        need(signature.matches("[0-9a-f]{64}"), "X-Amz-Signature", signature);
        need(!parameters.getOrDefault("User-Agent", "").isEmpty(), "User-Agent", "nothing");

        String date = parameters.getOrDefault("X-Amz-Date", "");
        Instant signed = TIME.parse(date, Instant::from);
        Instant expires = signed.plusSeconds(900);
        need(expires.isAfter(Instant.now()), "expired token of", date);
        String[] scope = parameters.getOrDefault("X-Amz-Credential", "").split("/");
        need(scope.length == 5, "X-Amz-Credential", String.join("/", scope));
        need(scope[1].equals(date.substring(0, 8)), "scope's date", scope[1]);
        need(scope[2].equals(region), "scope's region", scope[2]);
        need(scope[3].equals("kafka-cluster"), "scope's service", scope[3]);
        need(scope[4].equals("aws4_request"), "scope's end", scope[4]);
        return new Token(value, scope[0], signed.toEpochMilli(), expires.toEpochMilli());
    }

    private static void expect(Map<String, String> parameters, String name, String wanted) {
        need(wanted.equals(parameters.get(name)), name, parameters.get(name));
    }

    private static void need(boolean holds, String what, String found) {
        if (!holds) {
            throw new IllegalArgumentException(what + " is " + found);
        }
    }

    /** The principal is the id of the key. */
    private static final class Token implements OAuthBearerToken {
        private final String value;
        private final String principal;
        private final long start;
        private final long end;

        Token(String value, String principal, long start, long end) {
            this.value = value;
            this.principal = principal;
            this.start = start;
            this.end = end;
        }

        @Override
        public String value() {
            return value;
        }

        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            return end;
        }

        @Override
        public String principalName() {
            return principal;
        }

        @Override
        public Long startTimeMs() {
            return start;
        }
    }
}
