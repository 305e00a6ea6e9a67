# One database and one user a service, neither of which can reach the other's; run once, when
# the volume is empty, with the superuser's rights. Passwords are read from the environment.
for service in catalog notifier; do
    case $service in
        catalog) password=$CATALOG_DATABASE_PASSWORD ;;
        notifier) password=$NOTIFIER_DATABASE_PASSWORD ;;
    esac
    psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --quiet --no-psqlrc \
        --set ON_ERROR_STOP=1 --set service="$service" --set password="$password" <<'SQL'
create role :"service" login password :'password';
create database :"service" owner :"service";
revoke connect, temporary on database :"service" from public;
SQL
done
