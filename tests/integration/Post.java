import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Posts standard input as NDJSON, twice, with the client as it is: it asks for HTTP/2 with the first request. */
public class Post {
    public static void main(String[] arguments) throws Exception {
        byte[] lines = System.in.readAllBytes();
        HttpClient client = HttpClient.newHttpClient();
        for (int time = 0; time < 2; time++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("content-type", "application/x-ndjson")
                .POST(HttpRequest.BodyPublishers.ofByteArray(lines))
                .build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
        }
    }
}
