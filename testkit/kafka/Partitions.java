import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends a record for each key of a file to a topic, and prints the partitions that they landed in as a JSON list. A key is a line of base64, or `-` for none. */
public final class Partitions {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line : Files.readAllLines(Path.of(arguments[2]))) {
                byte[] key = line.equals("-") ? null : Base64.getDecoder().decode(line);
                sent.add(producer.send(new ProducerRecord<>(arguments[1], key, new byte[0])));
            }
        }
        List<String> partitions = new ArrayList<>();
        for (Future<RecordMetadata> record : sent) {
            partitions.add(String.valueOf(record.get().partition()));
        }
        System.out.println(partitions.stream().collect(Collectors.joining(",", "[", "]")));
    }
}
