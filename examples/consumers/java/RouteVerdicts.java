import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads verdicts and gives each one to a queue by its decision. Copy it, and replace Store by your database. The settings
 * are environment variables, see the README beside this folder.
 */
public final class RouteVerdicts {
    /** The type names the major version; minor versions only add fields. */
    private static final String TYPE = "vigilens.verdict.v2";

    private static final Set<String> QUEUES = Set.of("allow", "review", "block", "unscannable");
    private static final ObjectMapper JSON = new ObjectMapper();

    /** What is read of a verdict. Fields that we do not know are left alone. */
    record Verdict(String id, String decision, String image) {}

    /** The record is no verdict that we know; the message says why. */
    static final class Unreadable extends Exception {
        private static final long serialVersionUID = 1;

        Unreadable(String why) {
            super(why);
        }
    }

    /** Where an image goes. A decision that is newer than this program is for a person, never for "allow". */
    static String queueOf(String decision) {
        return QUEUES.contains(decision) ? decision : "review";
    }

    static Verdict read(ConsumerRecord<byte[], byte[]> record) throws Unreadable {
        String type = header(record, "ce_type");
        String id = header(record, "ce_id");
        if (!TYPE.equals(type)) {
            throw new Unreadable("the type is " + type);
        }
        if (id == null || id.isEmpty()) {
            throw new Unreadable("there is no id");
        }
        JsonNode value;
        try {
            value = JSON.readTree(record.value() == null ? new byte[0] : record.value());
        } catch (IOException error) {
            throw new Unreadable("the value is not JSON");
        }
        if (!value.isObject() || !value.has("decision")) {
            throw new Unreadable("the value is no verdict");
        }
        return new Verdict(id, value.get("decision").asText(), value.path("image_id").asText());
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header found = record.headers().lastHeader(name);
        return found == null || found.value() == null ? null : new String(found.value(), StandardCharsets.UTF_8);
    }

    /**
     * What was handled, and with what result: a folder with a file for each id. The file appears whole or not at all, and
     * only if it is not there yet. In a database it is a row whose primary key is the id. All instances of this program
     * must share the store.
     */
    static final class Store {
        private final Path folder;

        Store(Path folder) throws IOException {
            this.folder = Files.createDirectories(folder);
        }

        void put(String id, String queue, String image) throws IOException {
            Path written = Files.createTempFile(folder, "new-", ".tmp");
            try {
                String text = JSON.writeValueAsString(Map.of("id", id, "queue", queue, "image", image));
                byte[] bytes = text.getBytes(StandardCharsets.UTF_8); // replaces halves of surrogate pairs, which JSON permits
                Files.write(written, bytes, StandardOpenOption.WRITE, StandardOpenOption.SYNC);
                Files.createLink(folder.resolve(fileName(id)), written);
            } catch (FileAlreadyExistsException handled) {
                // the record came again
            } finally {
                Files.delete(written);
            }
        }

        private static String fileName(String id) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(id.getBytes(StandardCharsets.UTF_8));
                return HexFormat.of().formatHex(digest) + ".json";
            } catch (NoSuchAlgorithmException impossible) {
                throw new IllegalStateException(impossible); // each Java has it
            }
        }
    }

    /** Put each verdict into its queue, once. A record that cannot be read goes into the queue "dead". */
    static void handle(Iterable<ConsumerRecord<byte[], byte[]>> records, Store store) throws IOException {
        for (ConsumerRecord<byte[], byte[]> record : records) {
            try {
                Verdict verdict = read(record);
                store.put(verdict.id(), queueOf(verdict.decision()), verdict.image());
            } catch (Unreadable why) {
                String place = record.topic() + "/" + record.partition() + "/" + record.offset();
                System.err.println(place + " cannot be read: " + why.getMessage());
                store.put(place, "dead", why.getMessage());
            }
        }
    }

    static Properties settings() {
        Properties options = new Properties();
        options.put("bootstrap.servers", env("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"));
        options.put("group.id", env("KAFKA_GROUP", "moderation"));
        options.put("session.timeout.ms", env("KAFKA_SESSION_TIMEOUT_MS", "10000"));
        options.put("heartbeat.interval.ms", "1000");
        options.put("security.protocol", env("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"));
        if (System.getenv("KAFKA_SASL_USERNAME") != null) {
            String module = env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512").startsWith("SCRAM")
                    ? "org.apache.kafka.common.security.scram.ScramLoginModule"
                    : "org.apache.kafka.common.security.plain.PlainLoginModule";
            options.put("sasl.mechanism", env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"));
            options.put("sasl.jaas.config", module + " required username=" + quoted(env("KAFKA_SASL_USERNAME", ""))
                    + " password=" + quoted(env("KAFKA_SASL_PASSWORD", "")) + ";");
        }
        if (System.getenv("KAFKA_SSL_CA") != null) {
            options.put("ssl.truststore.type", "PEM");
            options.put("ssl.truststore.location", System.getenv("KAFKA_SSL_CA"));
        }
        options.put("isolation.level", "read_committed"); // or verdicts of aborted transactions are read too
        options.put("enable.auto.commit", "false"); // we commit after handling, so nothing is lost
        options.put("auto.offset.reset", "earliest");
        options.put("max.poll.records", "100");
        options.put("key.deserializer", ByteArrayDeserializer.class.getName());
        options.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return options;
    }

    private static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** Read until SIGTERM or Ctrl-C. An error of the store ends the program: start it again, nothing is lost. */
    static void run(KafkaConsumer<byte[], byte[]> consumer, Store store) throws IOException {
        consumer.subscribe(List.of(env("VERDICTS_TOPIC", "vigilens.verdicts")));
        while (true) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(1));
            handle(records, store);
            try {
                consumer.commitSync(); // the positions after the records of this poll
            } catch (CommitFailedException | RebalanceInProgressException error) {
                System.err.println("not committed, the records will come again: " + error.getMessage());
            }
        }
    }

    public static void main(String[] arguments) throws IOException {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup(); // the only method that another thread may call
            try {
                main.join(20_000);
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
        }));
        try (consumer) {
            run(consumer, new Store(Path.of(env("STORE", "handled"))));
        } catch (WakeupException stop) {
            System.err.println("stopped"); // the group was left, so others take our partitions at once
        }
    }
}
