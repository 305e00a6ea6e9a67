// Reads events with the classes that Modelina wrote, by Jackson.

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.module.SimpleModule;
import events.*;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

public class Reader {
  public static void main(String[] arguments) throws Exception {
    // Jackson's own module for java.time is a dependency more.
    ObjectMapper mapper = new ObjectMapper().registerModule(
        new SimpleModule().addDeserializer(OffsetDateTime.class, new Times()));
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line; (line = lines.readLine()) != null; ) {
      String[] both = line.split("\t");
      out.println(account(mapper.readValue(both[1], Class.forName("events." + name(both[0])))));
    }
  }

  /** `catalog.product.post_save.v1` is `ProductPostSave`. */
  private static String name(String type) {
    StringBuilder name = new StringBuilder();
    String[] parts = type.split("[.]");
    for (String word : (parts[1] + "_" + parts[2]).split("_")) {
      name.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
    }
    return name.toString();
  }

  /** What the events about rows have in common; Modelina writes no such interface itself. */
  private interface Row {
    String getSender();
    String getSignal();
    Boolean getCreated();
    Object getInstance();
    Object getOriginal();
    Map<String, Change> getChanges();
    List<String> getUpdateFields();
    String getOrigin();
    String getActor();
  }

  /** Sees the event through `Row`, if its class has all of that, in these types. */
  private static Row row(Object event) {
    return (Row) Proxy.newProxyInstance(Row.class.getClassLoader(), new Class<?>[] {Row.class},
        (proxy, wanted, arguments) -> {
          Method there = event.getClass().getMethod(wanted.getName());
          if (!wanted.getReturnType().isAssignableFrom(there.getReturnType())) {
            throw new ClassCastException(there + " is no " + wanted.getReturnType());
          }
          return there.invoke(event);
        });
  }

  private static String account(Object event) {
    if (event instanceof ProductViewed it) {
      return String.join(" ", it.getSender(), it.getSignal(), it.getProductId().toString(),
          "viewer=" + it.getViewer());
    } else if (event instanceof ProductM2mChanged it) {
      Collection<?> ids = (Collection<?>) it.getPkSet();
      return String.join(" ", account(row(it)), it.getAction(), it.getField(),
          "pk_set=" + (ids == null ? null : ids.size()));
    }
    return account(row(event));
  }

  private static String account(Row row) {
    Map<String, Change> changes = row.getChanges();
    Change price = changes == null ? null : changes.get("price");
    List<String> fields = row.getUpdateFields();
    return String.join(" ", row.getSender(), row.getSignal(),
        "created=" + row.getCreated(),
        "instance=" + label(row.getInstance()),
        "original=" + label(row.getOriginal()),
        "changes=" + (changes == null ? null : String.join(",", new TreeSet<>(changes.keySet()))),
        "price=" + (price == null ? null : price.getFrom() + ">" + price.getTo()),
        "update_fields=" + (fields == null ? null : String.join(",", fields)),
        "origin=" + row.getOrigin(), "actor=" + row.getActor());
  }

  private static String label(Object snapshot) {
    if (snapshot instanceof Product it) {
      int variants = it.getImages().stream().mapToInt(each -> each.getVariants().size()).sum();
      return it.getName() + "/" + it.getPrice() + "/" + it.getCurrency() + "/v" + it.getVersion()
          + "/" + it.getCategories().size() + "/" + variants;
    } else if (snapshot instanceof Image it) {
      return it.getContentType() + "/" + it.getWidth() + "x" + it.getHeight()
          + "/" + it.getVariants().size();
    } else if (snapshot instanceof Category it) {
      return it.getName() + "/" + it.getSlug() + "/v" + it.getVersion();
    }
    return String.valueOf(snapshot);
  }

  private static class Times extends StdDeserializer<OffsetDateTime> {
    Times() {
      super(OffsetDateTime.class);
    }

    @Override
    public OffsetDateTime deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      return OffsetDateTime.parse(parser.getText());
    }
  }
}
